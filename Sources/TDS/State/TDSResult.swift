// What a request gave.

/// The answer to one request: its result sets, counts and notices.
public struct TDSResult: Sendable, Hashable {
    public var sets: [TDSResultSet] = []
    /// Of every statement that says how many rows it touched or gave.
    public var counts: [UInt64] = []
    /// What the server said besides: PRINT, warnings.
    public var notices: [TDSServerMessage] = []
    /// Of a procedure.
    public var returnStatus: Int32?
    /// Of a procedure; no public call asks for any.
    package var outputs: [String: TDSValue] = [:]
    /// Reading stopped at the limit of rows; there were more.
    public var isTruncated = false

    public init() {}

    /// The rows of the first result set.
    public var rows: [[TDSValue]] { sets.first?.rows ?? [] }
}

/// Columns and rows of one statement.
public struct TDSResultSet: Sendable, Hashable {
    public var columns: [TDSColumn]
    /// Each with as many values as there are columns.
    public var rows: [[TDSValue]] = []

    public init(columns: [TDSColumn], rows: [[TDSValue]] = []) {
        self.columns = columns
        self.rows = rows
    }

    /// The value of a row under a column's name; nil when there is no such row or column.
    public subscript(row: Int, name: String) -> TDSValue? {
        guard rows.indices.contains(row), let column = columns.firstIndex(where: { $0.name == name }) else { return nil }
        return rows[row].indices.contains(column) ? rows[row][column] : nil
    }
}
