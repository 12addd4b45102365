//! What the vendor's sample application needs on Agent Identity: what it is, what of it is there, what is left to do, and doing it.
//! `prepare` and `clear` are this.

mod apply;
mod desired;
mod documents;
mod found;
mod place;
mod plan;
mod run;
mod secret;

pub use self::{
    desired::{MARK, Names, Sample},
    found::Found,
    place::Place,
    plan::{Action, Change, Plan, Step, Thing},
    run::{Consent, Goal, exports, leftovers, reach, say},
};

/// Whatever goes wrong in an example.
pub(crate) type Anything = Box<dyn std::error::Error>;
