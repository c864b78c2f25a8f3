"""Engines on several machines: replicas that dial in, sessions pinned to them. No torch.

    browser or program  <-- web socket -->  network process  <-- TCP -->  replica, replica, ...
                                            sessions' audio                models, batches
                                            and events, kept

`replicas` is the network process's end, `replica` the other one, `scaling` says how many there
are to be. `ray_launcher`, the only file that imports Ray, has Ray Serve start them.
"""
