//! The suite: every scenario in every column, as a table.
//!
//! `cargo test -p rpc-conformance --test conformance -- [FILTER] [--column NAME] [--list] [--times]`

use rpc_conformance::{columns, not_applicable::NotApplicableList, outcome, scenarios, table::Table};
use std::process::ExitCode;

/// How many scenarios there are: one that is lost in a merge should be missed.
const SCENARIOS: usize = 126;

fn main() -> ExitCode {
    let mut filter = String::new();
    let mut only = None;
    let mut times = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => return list(),
            "--times" => times = 20,
            "--column" => only = arguments.next(),
            // What libtest is given.
            flag if flag.starts_with('-') => {}
            text => filter = text.to_owned(),
        }
    }
    outcome::keep_panics();
    let mut columns = columns::all();
    columns.retain(|column| only.as_deref().is_none_or(|only| only == column.name()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let table = runtime.block_on(Table::run(&columns, &filter));

    println!("{}", table.render());
    for (scenario, column, why) in table.failures() {
        println!("FAILED {scenario} [{column}]: {why}");
    }
    for (took, scenario, column) in table.slowest(times) {
        println!("{took:9.1?} {scenario} [{column}]");
    }
    let (passed, mut failed) = table.counts();
    if let Err(problems) = check() {
        println!("{problems}");
        failed += 1;
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn list() -> ExitCode {
    for scenario in scenarios::all() {
        println!("{}", scenario.name);
    }
    println!("{} scenarios", scenarios::all().count());
    ExitCode::SUCCESS
}

/// The lists agree with the code.
fn check() -> Result<(), String> {
    let names: Vec<_> = scenarios::all().map(|scenario| scenario.name).collect();
    let columns: Vec<_> = columns::all().iter().map(|column| column.name()).collect();
    if names.len() != SCENARIOS {
        return Err(format!("there are {} scenarios, and SCENARIOS says {SCENARIOS}", names.len()));
    }
    let list = NotApplicableList::committed();
    let stale = list.iter().find(|(scenario, column, _)| !names.contains(scenario) || !columns.contains(column));
    match stale {
        Some((scenario, column, _)) => Err(format!("not_applicable.txt: there is no `{scenario}` in `{column}`")),
        None => Ok(()),
    }
}
