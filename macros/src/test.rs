//! From an async function to a module of tests, one for each runtime.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, ItemFn, Meta, Result, parse_quote, parse2};

use crate::options::Options;

/// The function itself, and a module of its name that calls it once for each runtime. Which runtimes
/// those are is decided by the features of the facade, in its macro `__tests`.
pub(crate) fn expand(options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let options: Options = parse2(options)?;
    let mut function: ItemFn = parse2(function)?;
    check(&function)?;
    let attributes = take_test_attributes(&mut function);
    attributes.iter().try_for_each(check_attribute)?;
    let (name, takes_runtime) = (&function.sig.ident, !function.sig.inputs.is_empty());
    let call =
        if takes_runtime { quote!(|rt| super::#name(rt)) } else { quote!(|_| super::#name()) };
    let limit =
        options.limit.map(|limit| quote!(.limit(::core::time::Duration::from_secs(#limit))));
    let seeds = options.seeds.map(|seeds| quote!(.seeds(#seeds)));
    let facade = options.facade.unwrap_or_else(|| parse_quote!(::anyscope));
    Ok(quote! {
        #[cfg(test)]
        #function

        #[cfg(test)]
        mod #name {
            #facade::__tests! {
                [#(#attributes)*]
                #facade::testing::Options::new() #limit #seeds, #call
            }
        }
    })
}

fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let message = "`anyscope::test` is for an `async fn`: use `#[test]` for others";
        return Err(Error::new_spanned(signature.fn_token, message));
    }
    if !signature.generics.params.is_empty() {
        let message = "a test has no type parameters: take the runtime as `rt: AnyRuntime`";
        return Err(Error::new_spanned(&signature.generics, message));
    }
    if signature.inputs.len() > 1 {
        let message = "a test takes the runtime, `rt: AnyRuntime`, or nothing";
        return Err(Error::new_spanned(&signature.inputs, message));
    }
    Ok(())
}

/// What belongs to the tests, and not to the function: `#[ignore]` and `#[should_panic]`.
fn take_test_attributes(function: &mut ItemFn) -> Vec<Attribute> {
    let is_of_test = |attribute: &Attribute| {
        let path = attribute.path();
        path.is_ident("ignore") || path.is_ident("should_panic")
    };
    let (of_tests, others) = function.attrs.drain(..).partition(is_of_test);
    function.attrs = others;
    of_tests
}

fn check_attribute(attribute: &Attribute) -> Result<()> {
    match &attribute.meta {
        Meta::Path(path) if path.is_ident("should_panic") => {
            let message = "say which panic it should be, `#[should_panic(expected = \"…\")]`: \
                           a test that hangs panics too, when its time is up";
            Err(Error::new_spanned(attribute, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(options: TokenStream, function: TokenStream) -> String {
        expand(options, function).expect_err("it is refused").to_string()
    }

    #[test]
    fn what_is_no_test_is_refused_with_a_reason() {
        let test = || {
            quote!(
                async fn f() {}
            )
        };
        assert!(
            complaint(
                quote!(),
                quote!(
                    fn f() {}
                )
            )
            .contains("is for an `async fn`")
        );
        let generic = quote!(
            async fn f<R: Runtime>(rt: R) {}
        );
        assert!(complaint(quote!(), generic).contains("`rt: AnyRuntime`"));
        let two = quote!(
            async fn f(rt: AnyRuntime, n: u32) {}
        );
        assert!(complaint(quote!(), two).contains("the runtime, `rt: AnyRuntime`, or nothing"));
        assert!(complaint(quote!(timeout = 3), test()).contains("no such option"));
        assert!(complaint(quote!(seeds = 1, seeds = 2), test()).contains("given twice"));
        assert!(complaint(quote!(limit = "3"), test()).contains("integer"));
        assert!(complaint(quote!(seeds = 0), test()).contains("would test nothing"));
        assert!(complaint(quote!(limit = 0), test()).contains("would test nothing"));
        assert!(complaint(quote!(flavor = "multi_thread"), test()).contains("no such option"));
        assert!(complaint(quote!(crate = "1"), test()).contains("identifier"));
        let any_panic = quote! { #[should_panic] async fn f() {} };
        assert!(complaint(quote!(), any_panic).contains("say which panic"));
    }

    #[test]
    fn the_facade_may_have_another_name() {
        let function = || quote! { #[should_panic(expected = "x")] async fn f() {} };
        let expanded =
            expand(quote!(crate = "of::mine", limit = 3), function()).unwrap().to_string();
        assert!(!expanded.contains("anyscope"), "{expanded}");
        let calls = ["of :: mine :: __tests !", "of :: mine :: testing :: Options"];
        assert!(calls.iter().all(|call| expanded.contains(call)), "{expanded}");
        let expanded = expand(quote!(), function()).unwrap().to_string();
        assert!(expanded.contains(":: anyscope :: __tests !"), "{expanded}");
    }

    #[test]
    fn attributes_of_tests_go_to_the_tests() {
        let function = quote! { #[ignore] #[allow(unused)] async fn f() {} };
        let expanded = expand(quote!(seeds = 7), function).unwrap().to_string();
        assert!(expanded.starts_with("# [cfg (test)] # [allow (unused)] async fn f"), "{expanded}");
        assert!(
            expanded.contains("[# [ignore]]") && expanded.contains(". seeds (7)"),
            "{expanded}"
        );
    }
}
