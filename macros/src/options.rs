//! What stands in the brackets: `limit = 10, seeds = 500`.

use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitInt, Token};

/// The options of one test; `None` means the default.
#[derive(Default)]
pub(crate) struct Options {
    /// In seconds.
    pub(crate) limit: Option<LitInt>,
    pub(crate) seeds: Option<LitInt>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            options.set(&name, input.parse()?)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn set(&mut self, name: &Ident, value: LitInt) -> syn::Result<()> {
        let option = match name.to_string().as_str() {
            "limit" => &mut self.limit,
            "seeds" => &mut self.seeds,
            _ => {
                let message = "there is no such option: `limit` (in seconds) and `seeds` are known";
                return Err(syn::Error::new(name.span(), message));
            }
        };
        if value.base10_parse::<u64>()? == 0 {
            return Err(syn::Error::new(value.span(), format!("`{name} = 0` would test nothing")));
        }
        match option.replace(value) {
            None => Ok(()),
            Some(_) => Err(syn::Error::new(name.span(), format!("`{name}` is given twice"))),
        }
    }
}
