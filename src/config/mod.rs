//! Files to [`Plan`](crate::model::plan::Plan): scenario, fault profile and playbook, strict and with places.
