//! Secrets that systems repeat are shown nowhere.
