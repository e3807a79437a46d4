//! `BoxError`: any error, for groups whose tasks fail in different ways (E6).

use std::error::Error;
use std::fmt;

/// Any error, boxed. Every type that is `Error + Send + Sync + 'static` converts into it by `?`;
/// handlers match it by type (E6).
///
/// A type of its own and not an alias of `Box<dyn Error + Send + Sync>`, because that box does not
/// implement [`Error`], and [`GroupError`](crate::GroupError) must for both forms. Boxes of that type come in
/// by `.map_err(BoxError::from_box)?`, and [`from_box`](Self::from_box) says how `anyhow::Error` and
/// `eyre::Report` do; it goes out into a box by `?`.
///
/// # Examples
///
/// ```
/// use anyscope_core::BoxError;
///
/// fn parse(text: &str) -> Result<i32, BoxError> {
///     Ok(text.trim().parse()?)
/// }
/// assert!(parse("x").unwrap_err().is::<std::num::ParseIntError>());
/// ```
pub struct BoxError(Box<dyn Error + Send + Sync + 'static>);

impl BoxError {
    /// An error that is only a text.
    pub fn msg(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// An error that is in a box already, or in something that converts into one, as texts do. What is in the
    /// box is what handlers match.
    ///
    /// The boxes that `anyhow` and `eyre` convert their errors into hold a type of theirs. Text, sources and
    /// what says "cancelled" (G4) are found in it; the type is not, so that no handler matches it and the
    /// error of an inner group does not nest (G14). `anyhow` can move the error into a box of its own, which
    /// has the type: `BoxError::from_box(error.reallocate_into_boxed_dyn_error_without_backtrace())`. What
    /// was given a context is one of its sources there. `eyre` has nothing of the kind: what of a `Report` is
    /// to be matched must be taken out by `downcast` first.
    ///
    /// # Examples
    ///
    /// ```
    /// use anyscope_core::BoxError;
    ///
    /// fn legacy() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    ///     Ok("x".parse()?)
    /// }
    ///
    /// fn call() -> Result<u8, BoxError> {
    ///     legacy().map_err(BoxError::from_box)
    /// }
    ///
    /// fn program() -> Result<u8, Box<dyn std::error::Error>> {
    ///     Ok(call()?)
    /// }
    ///
    /// assert!(call().unwrap_err().is::<std::num::ParseIntError>());
    /// assert!(program().unwrap_err().is::<std::num::ParseIntError>());
    /// ```
    pub fn from_box(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// Whether the error inside is a `T`.
    pub fn is<T: Error + 'static>(&self) -> bool {
        self.0.is::<T>()
    }

    /// The error inside, if it is a `T`.
    pub fn downcast_ref<T: Error + 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    /// The error inside, by value.
    ///
    /// # Errors
    ///
    /// Gives `self` back if the error inside is not a `T`.
    pub fn downcast<T: Error + 'static>(self) -> Result<T, Self> {
        self.0.downcast().map(|inner| *inner).map_err(Self)
    }

    /// The error inside.
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The box inside.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync + 'static> {
        self.0
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for BoxError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<BoxError> for Box<dyn Error + Send + Sync> {
    fn from(error: BoxError) -> Self {
        error.0
    }
}

impl From<BoxError> for Box<dyn Error> {
    fn from(error: BoxError) -> Self {
        error.0
    }
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
