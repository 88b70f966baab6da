// Filled by its target.
