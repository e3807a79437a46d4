//! One `#[test]` for each runtime whose feature is enabled, in this crate and not in the user's.

/// A test for each runtime.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([$($attribute:tt)*] $options:expr, $test:expr) => {
        $crate::__test_on_tokio! { [$($attribute)*] $options, $test }
        $crate::__test_on_smol! { [$($attribute)*] $options, $test }
        $crate::__test_on_async_std! { [$($attribute)*] $options, $test }

        #[test]
        $($attribute)*
        fn sim() {
            $crate::testing::on_sim($options, $test);
        }
    };
}

#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __test_on_tokio {
    ([$($attribute:tt)*] $options:expr, $test:expr) => {
        #[test]
        $($attribute)*
        fn tokio() {
            $crate::testing::on_tokio($options, $test);
        }

        #[test]
        $($attribute)*
        fn tokio_current_thread() {
            $crate::testing::on_tokio_current_thread($options, $test);
        }
    };
}

#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __test_on_tokio {
    ($($nothing:tt)*) => {};
}

#[cfg(feature = "smol")]
#[doc(hidden)]
#[macro_export]
macro_rules! __test_on_smol {
    ([$($attribute:tt)*] $options:expr, $test:expr) => {
        #[test]
        $($attribute)*
        fn smol() {
            $crate::testing::on_smol($options, $test);
        }
    };
}

#[cfg(not(feature = "smol"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __test_on_smol {
    ($($nothing:tt)*) => {};
}

#[cfg(feature = "async-std")]
#[doc(hidden)]
#[macro_export]
macro_rules! __test_on_async_std {
    ([$($attribute:tt)*] $options:expr, $test:expr) => {
        #[test]
        $($attribute)*
        fn async_std() {
            $crate::testing::on_async_std($options, $test);
        }
    };
}

#[cfg(not(feature = "async-std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __test_on_async_std {
    ($($nothing:tt)*) => {};
}
