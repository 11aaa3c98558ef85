//! What people see: pages in a real browser, on a phone and a desktop, by keyboard, in the dark, without a script.
//!
//! A test opens a [`Browser`](crate::harness::Browser), goes to a camhook and ends with `browser.close().await`, which fails when
//! something went wrong in a page. `is_accessible` and `fits_sideways` are for each state of a page that differs in kind;
//! [`manners`] walks over all that the menu leads to, so a new page needs them only for states of its own.

mod config;
mod finding;
mod live;
mod lively;
mod manners;
mod undelivered;
