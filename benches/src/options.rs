//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::scenarios::{ALL, find};
use crate::{Scenario, Setting};

/// What is asked for.
#[derive(Default)]
pub struct Options {
    /// What to measure.
    pub scenarios: Vec<&'static Scenario>,
    /// Where only, if not everywhere.
    pub on: Option<Setting>,
    /// Only say which scenarios there are.
    pub list: bool,
    /// Fewer rounds, and no size that takes long.
    pub quick: bool,
    /// Where to write the figures.
    pub json: Option<PathBuf>,
    /// Compare with the goals.
    pub check: bool,
    /// The folder for the plots; the page lies beside it.
    pub plots: Option<PathBuf>,
    /// Figures that were measured before, instead of measuring.
    pub from: Vec<PathBuf>,
}

/// What `--help` prints.
pub const HELP: &str = "\
Measures anyscope beside its peers.

anyscope-benches [SCENARIO]... [OPTIONS]

  --list         say which scenarios there are, and stop
  --quick        fewer rounds and sizes: some minutes for all
  --on SETTING   only there: tokio-mt, tokio-ct, smol-global, smol-own, async-std or plain
  --json FILE    write all figures there
  --check        compare with the goals, after a quick run; 1 if one falls short
  --from FILE    do not measure: take the figures of this file
  --plots DIR    draw what --from has into this folder, and write the page beside it;
                 with several --from, the further ones have a column among the goals
";

impl Options {
    /// Reads the arguments of the process.
    ///
    /// # Errors
    ///
    /// If one is unknown, or a scenario or setting is.
    pub fn from_arguments() -> anyhow::Result<Self> {
        Self::parse(lexopt::Parser::from_env())
    }

    fn parse(mut parser: lexopt::Parser) -> anyhow::Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("list") => options.list = true,
                Long("quick") => options.quick = true,
                Long("check") => options.check = true,
                Long("on") => {
                    options.on = Some(serde_json::from_value(parser.value()?.string()?.into())?)
                }
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("plots") => options.plots = Some(parser.value()?.into()),
                Long("from") => options.from.push(parser.value()?.into()),
                Value(name) => options.scenarios.push(scenario(&name.string()?)?),
                Short('h') | Long("help") => {
                    print!("{HELP}");
                    std::process::exit(0);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        options.complete()
    }

    fn complete(mut self) -> anyhow::Result<Self> {
        self.quick |= self.check;
        if self.scenarios.is_empty() {
            self.scenarios = ALL.iter().collect();
        }
        anyhow::ensure!(self.plots.is_none() || !self.from.is_empty(), "--plots needs --from");
        Ok(self)
    }

    /// Where a scenario is to be measured.
    pub fn settings(&self, scenario: &Scenario) -> impl Iterator<Item = Setting> + use<'_> {
        let settings = scenario.settings.iter().copied();
        settings.filter(|setting| self.on.is_none_or(|only| only == *setting))
    }

    /// The arguments for a program that is to measure the same.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<_> =
            self.scenarios.iter().map(|scenario| scenario.name.to_owned()).collect();
        arguments.extend(self.on.iter().flat_map(|on| ["--on".to_owned(), on.to_string()]));
        arguments
    }
}

fn scenario(name: &str) -> anyhow::Result<&'static Scenario> {
    find(name).ok_or_else(|| anyhow::anyhow!("no scenario is called {name}: see --list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> anyhow::Result<Options> {
        Options::parse(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn nothing_named_means_all() {
        assert_eq!(parse(&[]).unwrap().scenarios.len(), ALL.len());
        let some = parse(&["ready", "--on", "smol-own"]).unwrap();
        assert_eq!(some.arguments(), ["ready", "--on", "smol-own"]);
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(parse(&["radey"]).is_err());
        assert!(parse(&["--on", "tokyo"]).is_err());
        assert!(parse(&["--plots", "docs"]).is_err());
    }

    #[test]
    fn a_check_is_quick() {
        assert!(parse(&["--check"]).unwrap().quick);
    }
}
