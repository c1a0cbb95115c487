//! The committed list of what does not apply.

use std::collections::BTreeMap;

const LIST: &str = include_str!("../not_applicable.txt");

/// Which scenarios have nothing to say about which columns, and why.
#[derive(Clone, Debug)]
pub struct NotApplicableList(BTreeMap<(String, String), String>);

impl NotApplicableList {
    /// The list of `not_applicable.txt`.
    ///
    /// # Panics
    /// When a line is not `scenario | column | reason`.
    pub fn committed() -> Self {
        let lines = LIST.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        Self(lines.flat_map(entries).collect())
    }

    /// Why a scenario has nothing to say about a column, if so.
    pub fn reason(&self, scenario: &str, column: &str) -> Option<&str> {
        self.0.get(&(scenario.to_owned(), column.to_owned())).map(String::as_str)
    }

    /// Every entry: scenario, column, reason.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().map(|((scenario, column), reason)| (scenario.as_str(), column.as_str(), reason.as_str()))
    }
}

/// The entries of one line, a column each: `scenario | column, column | reason`.
fn entries(line: &str) -> Vec<((String, String), String)> {
    let mut parts = line.splitn(3, '|').map(str::trim);
    let (Some(scenario), Some(columns), Some(reason)) = (parts.next(), parts.next(), parts.next()) else {
        panic!("not_applicable.txt: `{line}` is not `scenario | column, column | reason`");
    };
    assert!(!reason.is_empty(), "not_applicable.txt: `{line}` gives no reason");
    let entry = |column: &str| ((scenario.to_owned(), column.trim().to_owned()), reason.to_owned());
    columns.split(',').map(entry).collect()
}
