"""The seven ways of handling a service task, as a stranger meets them: in one model, and in the README."""
