//! A server that is stopped: what its clients see, on each runtime.

#![cfg(unix)]

#[path = "support/running.rs"]
mod running;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use running::{Running, example, wait_until};

const RUNTIMES: [&str; 3] = ["tokio", "smol", "async-std"];

/// A server at a port that was free, and where that is.
fn start(runtime: &str) -> (Running, String) {
    let running = Running::start(example("echo").args([runtime, "127.0.0.1:0"]));
    let printed = || String::from_utf8_lossy(&running.output()).into_owned();
    wait_until("it listens", || printed().ends_with('\n'));
    let address = printed().trim_end().trim_start_matches("listening on ").to_owned();
    (running, address)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Empty at the end.
    fn read(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn lines_come_back_and_those_who_are_connected_are_told_goodbye() {
    for runtime in RUNTIMES {
        let (mut running, address) = start(runtime);
        let (mut one, mut other) = (Client::connect(&address), Client::connect(&address));
        one.send(b"first\nsecond\n");
        assert_eq!([one.read(), one.read()], ["first\n", "second\n"], "{runtime}");
        other.send(b"third\n");
        assert_eq!(other.read(), "third\n", "{runtime}");
        running.signal("TERM");
        for client in [&mut one, &mut other] {
            assert_eq!([client.read(), client.read()], ["goodbye\n", ""], "{runtime}");
        }
        let end = running.end();
        assert_eq!(end.status.code(), Some(143), "{runtime}: {}", end.err);
        assert_eq!(end.out, format!("listening on {address}\n"));
    }
}

#[test]
fn what_fails_in_one_connection_is_no_concern_of_the_others() {
    for runtime in RUNTIMES {
        let (mut running, address) = start(runtime);
        let (mut one, mut other) = (Client::connect(&address), Client::connect(&address));
        one.send(b"\xFF\n");
        assert_eq!(one.read(), "", "{runtime}: that is no text");
        other.send(b"still here\n");
        assert_eq!(other.read(), "still here\n", "{runtime}");
        running.signal("INT");
        let end = running.end();
        assert_eq!(end.status.code(), Some(130), "{runtime}: {}", end.err);
        assert!(end.err.contains("valid UTF-8"), "{runtime}: {}", end.err);
    }
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let (_running, address) = start("tokio");
    let end = Running::start(example("echo").args(["tokio", &address])).end();
    assert_eq!(end.status.code(), Some(1), "{}", end.err);
    assert!(end.err.contains("in use"), "{}", end.err);
}
