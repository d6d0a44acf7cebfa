//! Tool heads: features, prior, objective, solvers, choice of the penalty, head files.
