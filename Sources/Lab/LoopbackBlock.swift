// Every lab has 256 loopback addresses of its own, so that parallel labs share nothing and a freed port stays free.

/// A `/24` of `127.0.0.0/8`, chosen at random per lab.
///
/// Linux answers on all of `127.0.0.0/8` without configuration. Ports are chosen by the kernel; because no other lab uses the same
/// address, a listener that was closed for a fault gets its old port back.
package struct LoopbackBlock: Sendable, Hashable {
    package let prefix: String

    package init() { self.prefix = "127.\(Int.random(in: 16...254)).\(Int.random(in: 0...254))" }

    package func address(_ host: Int) -> String { "\(prefix).\(host)" }

    package var postgres: String { address(1) }
    package var nameServer: String { address(2) }
    package var identity: String { address(3) }
    /// Never answers: all black-holed names point here.
    package var blackHole: String { address(4) }
    package var mysql: String { address(7) }
    package var azureSQL: String { address(8) }
    /// Where gateways of Azure SQL send clients on to.
    package var azureSQLWorker: String { address(9) }
    /// **Shape**: three addresses per target, the last of which is the dead one of the fault `dead_address`.
    package func target(_ index: Int) -> FaultProxy.Addresses {
        FaultProxy.Addresses(primary: address(10 + 3 * index), secondary: address(11 + 3 * index), dead: address(12 + 3 * index))
    }
    /// How many targets can have addresses of their own.
    package static let targetCapacity = 80
}
