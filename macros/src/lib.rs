//! The attribute `anyscope::test`. What it does is documented where the facade exports it.

#![forbid(unsafe_code)]

mod options;
mod test;

use proc_macro::TokenStream;

/// Makes of one async function a test for each enabled runtime. Use it as `anyscope::test`.
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    test::expand(options.into(), function.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
