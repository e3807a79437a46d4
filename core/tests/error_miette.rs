//! Errors of groups as diagnostics of `miette`: each failure is a related one.

use std::fmt::Display;

use anyscope_core::{BoxError, ErrorGroup, Failure, GroupError};
use miette::{Diagnostic, NarratableReportHandler, Report};

#[derive(Debug, thiserror::Error)]
#[error("port {0} is taken")]
struct Taken(u16);

impl Diagnostic for Taken {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new("net::taken"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(format!("try {}", self.0 + 1)))
    }
}

fn error() -> GroupError<Taken> {
    let inner = ErrorGroup::from_errors([Taken(81), Taken(82)]).unwrap();
    let failures = [Failure::from_error(Taken(80)).named("http"), Failure::from_group(inner)];
    ErrorGroup::from_failures(failures).unwrap().into()
}

#[test]
fn each_failure_is_a_related_diagnostic() {
    let error = error();
    let related: Vec<_> = error.related().unwrap().collect();
    assert_eq!(related.len(), 3);
    assert!(related[0].to_string().contains("'http'"), "{}", related[0]);
    let helps: Vec<_> = related.iter().map(|one| one.help().unwrap().to_string()).collect();
    assert_eq!(helps, ["try 81", "try 82", "try 83"]);
    assert_eq!(related[1].code().unwrap().to_string(), "net::taken");
}

#[test]
fn report_shows_them_all() {
    let failed = || -> Result<(), Report> { Ok(Err(error())?) };
    let report = failed().unwrap_err();
    let mut text = String::new();
    NarratableReportHandler::new().render_report(&mut text, &*report).unwrap();
    assert!(text.starts_with("group failed: 2 failures"), "{text}");
    for part in ["port 80 is taken", "port 81 is taken", "port 82 is taken", "try 83"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn boxed_errors_are_related_by_their_text() {
    let error: GroupError<BoxError> = error().map(BoxError::from);
    let related: Vec<_> = error.related().unwrap().collect();
    assert_eq!(related.len(), 3);
    assert!(related[2].to_string().ends_with("port 82 is taken"));
    assert!(related[2].help().is_none());
}
