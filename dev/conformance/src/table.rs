//! Scenario by column.

use crate::{columns::Column, not_applicable::NotApplicableList, outcome::Outcome, scenario::Scenario, scenarios};
use std::{sync::Arc, time::Duration};
use tabled::{builder::Builder, settings::Style};
use tokio::time::Instant;

/// What came out of every scenario in every column.
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<(&'static str, Vec<Cell>)>,
    times: Vec<(Duration, &'static str, &'static str)>,
}

/// One scenario in one column.
#[derive(Clone, Debug)]
enum Cell {
    Ok,
    NotApplicable(String),
    Failed(String),
}

impl Table {
    /// Runs the scenarios whose name contains `filter` in all columns, one after the other: several of them measure
    /// time.
    pub async fn run(columns: &[Arc<dyn Column>], filter: &str) -> Self {
        let list = NotApplicableList::committed();
        let name = |column: &Arc<dyn Column>| column.name().to_owned();
        let mut table = Self { columns: columns.iter().map(name).collect(), ..Self::default() };
        for scenario in scenarios::all().filter(|scenario| scenario.name.contains(filter)) {
            let mut cells = Vec::new();
            for column in columns {
                let began = Instant::now();
                cells.push(cell(&scenario, column, &list).await);
                table.times.push((began.elapsed(), scenario.name, column.name()));
            }
            table.rows.push((scenario.name, cells));
        }
        table
    }

    /// How many passed or do not apply, and how many failed.
    pub fn counts(&self) -> (usize, usize) {
        let failed = self.failures().count();
        (self.rows.len() * self.columns.len() - failed, failed)
    }

    /// What took longest: how long, which scenario, in which column.
    pub fn slowest(&self, count: usize) -> Vec<(Duration, &'static str, &'static str)> {
        let mut times = self.times.clone();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.truncate(count);
        times
    }

    /// What failed: scenario, column and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.rows.iter().flat_map(|(scenario, cells)| {
            cells.iter().zip(&self.columns).filter_map(move |(cell, column)| match cell {
                Cell::Failed(why) => Some((*scenario, column.as_str(), why.as_str())),
                _ => None,
            })
        })
    }

    /// As text, for people.
    pub fn render(&self) -> String {
        let mut builder = Builder::default();
        builder.push_record(std::iter::once("scenario").chain(self.columns.iter().map(String::as_str)));
        for (scenario, cells) in &self.rows {
            let cells = cells.iter().map(|cell| match cell {
                Cell::Ok => "ok".to_owned(),
                Cell::NotApplicable(reason) => format!("n/a ({reason})"),
                Cell::Failed(_) => "FAILED".to_owned(),
            });
            builder.push_record(std::iter::once((*scenario).to_owned()).chain(cells));
        }
        builder.build().with(Style::sharp()).to_string()
    }
}

async fn cell(scenario: &Scenario, column: &Arc<dyn Column>, list: &NotApplicableList) -> Cell {
    let reason = list.reason(scenario.name, column.name());
    match (scenario.run(column.clone()).await, reason) {
        (Outcome::Ok, None) => Cell::Ok,
        (Outcome::Ok, Some(_)) => Cell::Failed("it passed, and not_applicable.txt says that it cannot apply".into()),
        (Outcome::NotApplicable, Some(reason)) => Cell::NotApplicable(reason.to_owned()),
        (Outcome::NotApplicable, None) => {
            Cell::Failed("it does not apply, and not_applicable.txt does not say so".into())
        }
        (Outcome::Failed(why), _) => Cell::Failed(why),
    }
}
