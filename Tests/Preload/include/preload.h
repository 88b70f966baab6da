/* Nothing is called from here: see preload.c. */
