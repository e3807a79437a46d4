//! A run in which nearly everything goes wrong: what its error says, in one line and as a tree, and
//! how its parts are handled by type.

#![forbid(unsafe_code)]

use std::future::pending;
use std::num::{ParseFloatError, ParseIntError};
use std::time::Duration;
use std::{fs, io};

use anyscope::prelude::*;
use anyscope::{PanicPayload, PanicPolicy, Supervise, handle, record_panic_sites};

fn main() {
    record_panic_sites();
    let Err(error) = anyscope::tokio::run(invoice()) else {
        return println!("nothing went wrong");
    };
    println!("In one line:\n{error}\n\nAs a tree:\n{error:#}\n\nHandled:");
    let left = handle!(match error {
        missing: io::Error => println!("no file: {missing}"),
        ParseIntError | ParseFloatError as bad => {
            println!("{} that are no numbers:", bad.leaves().count());
            bad.leaves().for_each(|leaf| println!("  {leaf}"));
        },
        bug: PanicPayload => println!("a bug: {bug}"),
    });
    if let Err(left) = left {
        println!("\nRemaining:\n{left:#}");
    }
}

/// Everything is tried, whatever fails.
async fn invoice() -> Result<(), GroupError> {
    group(async |g| {
        g.task(customer()).name("customer").spawn();
        g.spawn_nested(g.runtime().group(prices).name("prices").policy(Supervise));
        g.task(async { Ok(discount(&[])) }).name("discount").spawn();
        Ok(())
    })
    .policy(Supervise)
    .panics(PanicPolicy::Capture)
    .await
}

async fn customer() -> Result<String, BoxError> {
    Ok(spawn_blocking(|| fs::read_to_string("no/such/customer.txt")).await??)
}

async fn prices(g: GroupHandle) -> Result<(), BoxError> {
    g.task(async { Ok("12.5O".parse::<f64>()?) }).name("bread").spawn();
    g.task(async { Ok("six".parse::<u32>()?) }).name("eggs").spawn();
    g.task(async { Ok(timeout(Duration::from_millis(20), pending::<f64>()).await?) })
        .name("exchange rate")
        .spawn();
    Ok(())
}

/// Of the best customers, and there are none.
fn discount(best: &[u32]) -> u32 {
    best[0] / 10
}
