//! Closed sets: enums with one variant for each value of a metric label.
//!
//! A client cannot create a time series, since every label value is a variant.

/// A value of a closed set.
pub trait Label: Copy + 'static {
    /// The value as it stands in metrics, logs and traces.
    fn label(self) -> &'static str;

    /// The position of the value in the set.
    fn index(self) -> usize;
}

impl Label for bool {
    fn label(self) -> &'static str {
        if self { "true" } else { "false" }
    }

    fn index(self) -> usize {
        usize::from(self)
    }
}

/// Declares an enum with one variant for each value of a label.
///
/// A set may include other sets: after `with` stands a variant for each of them, which holds a
/// value of that set and has its label.
macro_rules! label {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)* }
        $(with { $($(#[$set_doc:meta])* $holder:ident($set:ident),)+ })?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            $($($(#[$set_doc])* $holder($set),)+)?
        }

        impl $name {
            /// Every value, in the order of `index`.
            pub const ALL: &'static [Self] = &{
                const COUNT: usize = 0
                    $(+ { let _ = $label; 1 })*
                    $($(+ <$set>::ALL.len())+)?;
                const FIRST: $name = [$($name::$variant,)* $($($name::$holder(<$set>::ALL[0]),)+)?][0];
                let mut all = [FIRST; COUNT];
                let mut next = 0;
                $(all[next] = Self::$variant; next += 1;)*
                $($(
                    let mut member = 0;
                    while member < <$set>::ALL.len() {
                        all[next] = Self::$holder(<$set>::ALL[member]);
                        next += 1;
                        member += 1;
                    }
                )+)?
                assert!(next == COUNT);
                all
            };

            /// The value as it stands in metrics, logs and traces.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                    $($(Self::$holder(value) => value.label(),)+)?
                }
            }

            /// The value's position in `ALL`.
            #[must_use]
            pub const fn index(self) -> usize {
                let position = 0;
                $(
                    if matches!(self, Self::$variant) {
                        return position;
                    }
                    let position = position + 1;
                )*
                $($(
                    if let Self::$holder(value) = self {
                        return position + value.index();
                    }
                    let position = position + <$set>::ALL.len();
                )+)?
                position
            }
        }

        impl $crate::model::label::Label for $name {
            fn label(self) -> &'static str {
                self.label()
            }

            fn index(self) -> usize {
                self.index()
            }
        }

        $($(
            impl From<$set> for $name {
                fn from(value: $set) -> Self {
                    Self::$holder(value)
                }
            }
        )+)?
    };
}

pub(crate) use label;

#[cfg(test)]
mod tests {
    use crate::model::{DenyList, Limit, Rejection, ShadowRule};

    #[test]
    fn index_is_the_position_in_all() {
        fn positions<T: super::Label>(all: &[T]) -> Vec<usize> {
            all.iter().map(|value| value.index()).collect()
        }
        let expected = |length| (0..length).collect::<Vec<_>>();
        assert_eq!(positions(Limit::ALL), expected(Limit::ALL.len()));
        assert_eq!(positions(ShadowRule::ALL), expected(ShadowRule::ALL.len()));
        assert_eq!(positions(Rejection::ALL), expected(Rejection::ALL.len()));
        assert_eq!(positions(&[false, true]), expected(2));
    }

    #[test]
    fn included_sets_keep_their_labels() {
        for limit in Limit::ALL {
            assert_eq!(Rejection::from(*limit).label(), limit.label());
            assert_eq!(ShadowRule::from(*limit).label(), limit.label());
        }
        for list in DenyList::ALL {
            assert_eq!(Rejection::from(*list).label(), list.label());
        }
    }
}
