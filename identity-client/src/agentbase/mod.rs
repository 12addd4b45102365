//! GreenNode AgentBase.
