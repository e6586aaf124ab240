//! Tables for people, JSON for scripts: what a script reads never has a letter that only a terminal understands.

use crate::style;
use clap::{Args, ValueEnum};
use serde_json::Value;

/// How a read is printed.
#[derive(Args, Clone, Copy)]
pub struct Output {
    /// How to print the answer
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// The ways of printing.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns.
    Table,
    /// One JSON document.
    Json,
}

impl Output {
    /// Whether JSON is wanted.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints `value` as JSON, or the lines that `table` makes of it.
    pub fn print(self, value: &Value, table: impl FnOnce(&Value) -> String) {
        match self.format {
            Format::Json => print_json(value),
            Format::Table => println!("{}", table(value)),
        }
    }
}

/// Prints a value as indented JSON.
pub fn print_json(value: &Value) {
    println!("{value:#}");
}

/// A table of `rows` (a JSON array of objects): a column for each of `columns`, headed by its key in capitals.
pub fn table(rows: &Value, columns: &[&str]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    for row in rows.as_array().into_iter().flatten() {
        table.add_row(columns.iter().map(|column| cell(&row[*column])));
    }
    style::table(&lines(&table))
}

/// `name  value` lines.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    for (name, value) in pairs {
        table.add_row([*name, value.as_str()]);
    }
    lines(&table)
}

fn lines(table: &comfy_table::Table) -> String {
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A value in a cell: texts bare, null as a dash.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A time in ms since the Unix epoch, as RFC 3339.
pub fn time(ms: &Value) -> String {
    // The last one that RFC 3339 can say, in the year 9999.
    const LAST_MS: u64 = 253_402_300_799_999;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms.as_u64().unwrap_or(0).min(LAST_MS));
    humantime::format_rfc3339_millis(at).to_string()
}
