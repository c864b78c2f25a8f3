"""Live translation over the wire: protocol, scheduler, server, client. Imports no torch.

    browser or program  <-- web socket -->  network process  <-- pipe -->  engine process
                                            sessions' audio                models, batches
                                            and events, kept

With `cluster` there are several engines, on several machines.

`docs/serving.md` says how to run it, `docs/protocol.md` what goes over the wire.
"""
