//! What stands in the brackets: `limit = 10, seeds = 500, crate = "path"`.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitInt, LitStr, Path, Result, Token};

/// The options of one test; `None` means the default.
#[derive(Default)]
pub(crate) struct Options {
    /// In seconds.
    pub(crate) limit: Option<LitInt>,
    pub(crate) seeds: Option<LitInt>,
    /// The facade.
    pub(crate) facade: Option<Path>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            options.set(&Ident::parse_any(input)?, input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn set(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "limit" => put(&mut self.limit, name, number(name, input)?),
            "seeds" => put(&mut self.seeds, name, number(name, input)?),
            "crate" => put(&mut self.facade, name, value::<LitStr>(input)?.parse()?),
            _ => {
                let message =
                    "there is no such option: `limit` (in seconds), `seeds` and `crate` are known";
                Err(Error::new(name.span(), message))
            }
        }
    }
}

fn number(name: &Ident, input: ParseStream<'_>) -> Result<LitInt> {
    let number: LitInt = value(input)?;
    match number.base10_parse::<u64>()? {
        0 => Err(Error::new(number.span(), format!("`{name} = 0` would test nothing"))),
        _ => Ok(number),
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn put<T>(option: &mut Option<T>, name: &Ident, value: T) -> Result<()> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(name.span(), format!("`{name}` is given twice"))),
    }
}
