// One row per cause: group, severity, transience, words, remedies. (Filled row by row from the taxonomy.)

extension Cause {
    package var transience: Transience { .no }
    package var group: Group { .internal }
}
