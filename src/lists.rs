//! Lists that conditions and templates look plates up in.

use std::collections::BTreeMap;
use std::sync::Arc;

/// All lists of the config by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists(pub(crate) Arc<BTreeMap<String, List>>);

/// One table: rows found by their key column without regard to case or to separators (blank, `-`, `.`).
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    rows: BTreeMap<String, Row>,
}

/// Column name to cell.
pub(crate) type Row = BTreeMap<String, String>;
