// The program `agent`; everything is in `Commands`.
import Commands

await AgentCommand.start()
