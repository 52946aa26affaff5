//! How well the class is predicted without the lungs.
//!
//! A [`Probe`] is a classifier that sees what should not matter: file attributes,
//! the rim of a thumbnail, the film with its centre blacked out. The cheap ones
//! are a [`Kernel`] classifier on [`inputs`]; all are judged on films of patients
//! that they did not learn from, and films are ranked against others of their fold only.
//! A probe that comes near the model, and beyond what the best of them reaches with
//! labels dealt anew to the patients, shows that its score needs no lungs, and
//! [`Verdict`] says so.
//!
//! After Maguolo and Nanni (2021) and DeGrave, Janizek and Lee (2021).

mod cholesky;
mod condition;
pub mod finding;
pub mod inputs;
mod kernel;
mod luck;
mod probe;
mod verdict;

pub use condition::{Condition, ConditionError};
pub use finding::Finding;
pub use kernel::Kernel;
pub use luck::best_by_luck;
pub use probe::{Deal, Judge, PROBES, Probe};
pub use verdict::{Answer, LUNG_FREE, Verdict};
