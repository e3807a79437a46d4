//! Rules of `docs/contract.md` against the cases of the suite.

use std::collections::{BTreeMap, BTreeSet};

/// The rules of a contract: all, and those that have no case yet.
#[derive(Debug, Default)]
pub struct Contract {
    rules: BTreeSet<String>,
    /// By id, the reason.
    uncovered: BTreeMap<String, String>,
    /// By id, where the rest is tested of what the cases do not see.
    partly: BTreeMap<String, String>,
}

impl Contract {
    /// Reads `- G1  text` as a rule, `- G1: reason` under `## Not yet covered` as one without a case, and
    /// under `## Covered in part` as one whose cases do not see all of it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (mut contract, mut heading) = (Self::default(), "");
        for line in text.lines() {
            heading = line.strip_prefix("## ").unwrap_or(heading);
            let Some(item) = line.strip_prefix("- ") else { continue };
            let list = match heading.trim() {
                UNCOVERED => Some(&mut contract.uncovered),
                PARTLY => Some(&mut contract.partly),
                _ => None,
            };
            if let Some(list) = list {
                let (id, reason) = item.split_once(':').unwrap_or((item, ""));
                list.insert(id.trim().to_owned(), reason.trim().to_owned());
            } else if let Some(id) = item.split_whitespace().next().filter(|word| is_rule(word)) {
                contract.rules.insert(id.to_owned());
            }
        }
        contract
    }

    /// Rules that have neither a case nor an excuse, or both.
    #[must_use]
    pub fn not_covered_once(&self, cases: &[Case]) -> Vec<String> {
        if self.rules.is_empty() {
            return vec![
                "docs/contract.md: no line like `- G1  text`: write the rules so".to_owned(),
            ];
        }
        let cited: BTreeSet<_> = cases.iter().map(|case| &case.rule).collect();
        let complaint = |id: &String| match (cited.contains(id), self.uncovered.contains_key(id)) {
            (false, false) => Some(format!(
                "docs/contract.md: rule {id} has no case: write a `fn {}_...` in \
                 conformance-tests/src/cases, or a line `- {id}: reason` under `## {UNCOVERED}`",
                id.to_lowercase()
            )),
            (true, true) => Some(format!(
                "docs/contract.md: rule {id} has a case: remove it from `## {UNCOVERED}`"
            )),
            _ => None,
        };
        self.rules.iter().filter_map(complaint).collect()
    }

    /// Entries in these two lists that name no rule or give no reason.
    #[must_use]
    pub fn bad_excuses(&self) -> Vec<String> {
        let bad =
            |(id, reason): &(&String, &String)| reason.is_empty() || !self.rules.contains(*id);
        let complaint =
            |(id, _)| format!("docs/contract.md: `{id}` at its end: write `- <rule>: <reason>`");
        self.uncovered.iter().chain(&self.partly).filter(bad).map(complaint).collect()
    }

    /// Cases that are named after no rule.
    #[must_use]
    pub fn cases_without_rule(&self, cases: &[Case]) -> Vec<String> {
        let unknown = |case: &&Case| !self.rules.contains(&case.rule);
        let complaint = |Case { rule, name, file }: &Case| {
            format!(
                "{file}: `fn {name}` cites {rule}, not in docs/contract.md: rename it or add the rule"
            )
        };
        cases.iter().filter(unknown).map(complaint).collect()
    }
}

/// A function of the suite that is named after a rule.
#[derive(Debug)]
pub struct Case {
    rule: String,
    name: String,
    file: String,
}

impl Case {
    /// The cases in a source file.
    pub fn all_in(file: &str, text: &str) -> Vec<Self> {
        let case = |line| {
            let name = function_name(line)?;
            let rule = name.split_once('_')?.0.to_uppercase();
            let found = is_rule(&rule) && name.starts_with(|c: char| c.is_ascii_lowercase());
            found.then(|| Self { rule, name: name.to_owned(), file: file.to_owned() })
        };
        text.lines().filter_map(case).collect()
    }
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "async", "const"];
    let is_item = before.split_whitespace().all(|word| qualifiers.contains(&word));
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    is_item.then(|| &after[..end])
}

/// A capital letter and a number: `G1`.
fn is_rule(word: &str) -> bool {
    let number = word.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or("");
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

const UNCOVERED: &str = "Not yet covered";
const PARTLY: &str = "Covered in part";

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "## G. Groups\n- G1  one\n- G10 ten\n- not a rule\n\
                        ## Not yet covered\n- G10: no queue\n";

    fn cases(text: &str) -> Vec<Case> {
        Case::all_in("a.rs", text)
    }

    #[test]
    fn each_rule_is_covered_or_excused() {
        let contract = Contract::parse(TEXT);
        assert!(contract.not_covered_once(&cases("fn g1_waits<R>() {")).is_empty());
        assert!(contract.bad_excuses().is_empty());
        let missing = contract.not_covered_once(&cases("// fn g1_waits\nfn g1waits()"));
        assert!(missing.len() == 1 && missing[0].contains("rule G1 has no case"), "{missing:?}");
        let twice = contract.not_covered_once(&cases("fn g1_a()\npub(crate) async fn g10_b()"));
        assert!(twice.len() == 1 && twice[0].contains("rule G10 has a case"), "{twice:?}");
    }

    #[test]
    fn contract_without_rules_is_refused() {
        assert_eq!(Contract::parse("- g1 text\n").not_covered_once(&[]).len(), 1);
    }

    #[test]
    fn excuse_needs_a_rule_and_a_reason() {
        let lists =
            "## Not yet covered\n- G1\n- Z9: why\n## Covered in part\n- G1: why\n- Z8: why\n";
        let contract = Contract::parse(&format!("- G1 one\n{lists}"));
        assert_eq!(contract.bad_excuses().len(), 3);
    }

    #[test]
    fn case_needs_a_rule() {
        let contract = Contract::parse(TEXT);
        let unknown = contract.cases_without_rule(&cases("fn z3_x()\nfn helper_x()\nfn g1_x()"));
        assert!(unknown.len() == 1 && unknown[0].contains("`fn z3_x` cites Z3"), "{unknown:?}");
    }
}
