// A queue in order of arrival.

/// First in, first out; taken places are given back in lumps.
struct Line<Element: Sendable>: Sendable {
    private var elements: [(arrival: UInt64, element: Element)] = []
    private var head = 0

    var count: Int { elements.count - head }
    /// The number under which the oldest arrived.
    var first: UInt64? { head < elements.count ? elements[head].arrival : nil }

    mutating func append(_ element: Element, _ arrival: UInt64) { elements.append((arrival, element)) }

    mutating func removeFirst() -> Element {
        let element = elements[head].element
        head += 1
        if head == elements.count {
            elements.removeAll(keepingCapacity: head <= 1024)
            head = 0
        } else if head >= 1024 {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}
