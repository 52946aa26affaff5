//! Arguments, progress, errors and exit codes; the only place that prints.
