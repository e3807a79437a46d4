//! The prelude beside the preludes that programs also use: no method and no name is ambiguous.

use anyscope::prelude::*;
use futures_util::future::{FutureExt, TryFutureExt};
use futures_util::stream::{StreamExt, TryStreamExt};

#[test]
fn it_goes_with_the_traits_of_futures() {
    async fn read() -> Result<u8, std::io::Error> {
        Ok(1)
    }
    let all = async {
        let a = read().err_into::<BoxError>().await?;
        let b = async { 2 }.map(|n| n + 1).await;
        let c = futures_util::stream::iter([Ok::<u8, BoxError>(1)]).try_next().await?;
        let d = futures_util::stream::iter([1]).next().await;
        Ok::<_, BoxError>((a, b, c, d))
    };
    assert_eq!(all.now_or_never().unwrap().unwrap(), (1, 3, Some(1), Some(1)));
}

#[test]
fn it_names_what_signatures_need() {
    fn with_a_runtime<R: Runtime>(rt: R) -> AnyRuntime {
        AnyRuntime::new(rt)
    }
    async fn body(g: GroupHandle) -> Result<(), BoxError> {
        let task: TaskHandle<u8> = g.spawn(async { Ok(1) });
        let value: Result<u8, TaskError> = task.await;
        value?;
        Ok(())
    }
    async fn whole() -> Result<(), GroupError> {
        group(body).await
    }
    let _ = (with_a_runtime::<AnyRuntime>, whole);
}

#[test]
fn its_combinators_go_with_the_preludes_of_futures() {
    use futures_util::stream::{StreamExt, TryStreamExt, iter};

    let parse = |text: &'static str| in_place(async move { text.parse::<u8>() });
    let all = async {
        let both = gather(["1", "2"].map(parse)).await?;
        let first = race([parse("3")]).map(|parsed| parsed.unwrap()).await;
        let (done, _) = wait(["4"].map(parse).map(Box::pin), WaitFor::All).await;
        let fourth = gather(done).await?;
        let rest: Vec<_> = as_completed(["5"].map(parse)).map_ok(|n| n + 1).try_collect().await?;
        let mapped = map_concurrent_stream(iter(["7", "8"]), 2, parse).ordered();
        let mapped: Vec<_> = mapped.map(Result::unwrap).collect().await;
        Ok::<_, BoxError>([both, vec![first], fourth, rest, mapped].concat())
    };
    assert_eq!(all.now_or_never().unwrap().unwrap(), [1, 2, 3, 4, 6, 7, 8]);
}
