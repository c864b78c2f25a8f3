"""Other people's protocols, as thin adapters over the native sessions and events.

    openai_files      POST /v1/audio/translations, /v1/audio/transcriptions
    openai_realtime   web sockets /v1/realtime/translations, /v1/realtime (transcription sessions)
    simulstream       web socket /v1/simulstream; the HTTP speech processor of IWSLT
    simuleval         a remote agent of SimulEval

Each opens an ordinary session, so limits, fairness and a new engine after a fault are the same;
none can be resumed, because none has numbers for it. What a model cannot do is refused in the
dialect's own form.
"""
