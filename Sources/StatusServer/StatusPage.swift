// The page.
import NIOCore

extension Routes {
    func page() -> Answer { .text("page\n") }
    func status() -> Answer { .text("status\n") }
}
