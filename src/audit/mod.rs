//! How well the class is predicted without the lungs.
