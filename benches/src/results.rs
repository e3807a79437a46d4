//! What was measured: every round, so that any two contenders can be compared later.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::heap::Use;
use crate::stats::{median, ratio};
use crate::{Machine, Setting};

/// All that one run of the program gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Where it ran, and with what.
    pub machine: Machine,
    /// Whether it was a quick run, with fewer rounds and sizes.
    pub quick: bool,
    /// One for each contender of each scenario, setting and size.
    pub rows: Vec<Row>,
}

/// The rounds of one contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its scenario.
    pub scenario: String,
    /// Where it ran.
    pub setting: Setting,
    /// How much there was to do.
    pub size: usize,
    /// Its name.
    pub contender: String,
    /// What the rounds are.
    pub unit: String,
    /// In the order in which they ran; those of one group belong together by their index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<f64>,
    /// What it costs on the heap, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap: Option<Use>,
}

/// The rows of one scenario, setting and size.
pub type Block<'a> = &'a [Row];

impl Row {
    /// Whether both were measured in the same rounds.
    pub fn is_beside(&self, other: &Self) -> bool {
        let place = |row: &Self| (row.setting, row.size, row.heap.is_some());
        self.scenario == other.scenario && place(self) == place(other)
    }

    /// The median of its rounds.
    pub fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// How it compares with another one of its block.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        ratio(&self.rounds, &other.rounds)
    }
}

impl Results {
    /// Rows that belong together, in the order of their measurement.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        self.rows.chunk_by(Row::is_beside)
    }

    /// The rows of one contender with rounds, or those with heap figures.
    pub fn find(
        &self,
        scenario: &str,
        setting: Setting,
        size: usize,
        contender: &str,
        on_heap: bool,
    ) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.scenario == scenario
                && (row.setting, row.size, row.heap.is_some()) == (setting, size, on_heap)
                && row.contender == contender
        })
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
    }

    /// Writes one line for each row.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let rows: Result<Vec<_>, _> = self.rows.iter().map(serde_json::to_string).collect();
        let machine = serde_json::to_string_pretty(&self.machine)?;
        let (quick, rows) = (self.quick, rows?.join(",\n"));
        let text =
            format!("{{\"machine\": {machine},\n\"quick\": {quick},\n\"rows\": [\n{rows}\n]}}\n");
        Ok(fs::write(path, text)?)
    }
}
