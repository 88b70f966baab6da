// Filled by the tests of the store.
