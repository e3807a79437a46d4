//! process_primes: the process-pool programs of one document on asyncio, in worker processes.
//!
//! Python needs processes to use more than one core. Here threads do, so that the same jobs run on
//! the CPU pool as well; what processes add is shown last: a job that does not end is killed.
//! `process_primes N` counts up to other numbers.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use anyscope::prelude::*;
use anyscope::process::{Job, ProcessPool};

/// The document's job: counts primes up to `n`, naively.
const COUNT_PRIMES: Job<u32, usize> = Job::new("count primes", 1, count_primes);

fn count_primes(n: u32) -> usize {
    let is_prime = |x: u32| x >= 2 && (2..=x.isqrt()).all(|i| x % i != 0);
    (0..=n).filter(|&x| is_prime(x)).count()
}

fn main() -> Result<(), BoxError> {
    anyscope::process::init(&[&COUNT_PRIMES]);
    let largest = std::env::args().nth(1).map_or(Ok(2_000_000), |arg| arg.parse())?;
    let numbers: Vec<u32> = (0..8).map(|step| largest - largest / 100 * step).collect();
    let pool = ProcessPool::new()?;
    anyscope::tokio::run(async {
        in_order(&pool).await?;
        as_they_complete(&pool).await?;
        compare(&pool, &numbers).await?;
        kill(&pool).await?;
        pool.close().await;
        Ok(())
    })
}

/// 3.1: all at once, the results in the order of the numbers.
async fn in_order(pool: &ProcessPool) -> Result<(), BoxError> {
    let numbers = [50_000, 60_000, 70_000];
    let results = gather(numbers.map(|n| pool.run(&COUNT_PRIMES, n))).await?;
    for (n, primes) in numbers.into_iter().zip(results) {
        println!("Up to {n}, found {primes} primes");
    }
    Ok(())
}

/// 3.2: each as soon as it is there.
async fn as_they_complete(pool: &ProcessPool) -> Result<(), BoxError> {
    let calls = [80_000, 100_000, 120_000].map(|n| {
        let call = pool.run(&COUNT_PRIMES, n);
        in_place(async move { call.await.map(|primes| (n, primes)) })
    });
    let mut results = as_completed(calls);
    while let Some(result) = results.next().await {
        let (n, primes) = result?;
        println!("Up to {n}, found {primes} primes");
    }
    Ok(())
}

/// The same jobs one after the other, on threads, in processes.
async fn compare(pool: &ProcessPool, numbers: &[u32]) -> Result<(), BoxError> {
    let start = Instant::now();
    let expected: Vec<_> = numbers.iter().map(|&n| count_primes(n)).collect();
    let alone = start.elapsed();

    let start = Instant::now();
    let jobs = numbers.iter().map(|&n| spawn_cpu(move || count_primes(n)));
    assert_eq!(gather(jobs).await?, expected);
    let threads = start.elapsed();

    let start = Instant::now();
    let calls = numbers.iter().map(|&n| pool.run(&COUNT_PRIMES, n));
    assert_eq!(gather(calls).await?, expected);
    let processes = start.elapsed();

    println!("{} jobs", numbers.len());
    println!("one after the other: {alone:.2?}");
    for (name, took) in [("CPU pool", threads), ("process pool", processes)] {
        println!("{name}: {took:.2?}, {:.1} times as fast", alone.div_duration_f64(took));
    }
    Ok(())
}

/// What a thread cannot do.
async fn kill(pool: &ProcessPool) -> Result<(), BoxError> {
    let endless = pool.run(&COUNT_PRIMES, u32::MAX).limit(Duration::from_millis(100));
    match endless.await {
        Ok(primes) => println!("Up to {}, found {primes} primes", u32::MAX),
        Err(error) => println!("{error}"),
    }
    println!("Up to 100, found {} primes", pool.run(&COUNT_PRIMES, 100).await?);
    Ok(())
}
