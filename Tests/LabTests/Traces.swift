// What a lab could leave on the machine.
import FoundationEssentials
import Lab

enum Traces {
    /// How many processes name the scratch folder on their command line.
    static func processes(of lab: Lab) -> Int { processes(naming: lab.scratch.path) }

    static func processes(naming text: String) -> Int {
        let wanted = Array(text.utf8)
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.filter { Int($0) != nil }.count { entry in
            guard let line = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline") else { return false }
            return Array(line).firstRange(of: wanted) != nil
        }
    }

    /// Files in `/etc/pam.d` that name the scratch folder.
    static func pamFiles(of lab: Lab) -> [String] { pamFiles(naming: lab.scratch.path) }

    static func pamFiles(naming text: String) -> [String] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/etc/pam.d")) ?? []
        return entries.filter { entry in
            guard entry.hasPrefix("agent-lab-"), let content = FileManager.default.contents(atPath: "/etc/pam.d/" + entry) else {
                return false
            }
            return String(decoding: content, as: UTF8.self).contains(text)
        }
    }
}
