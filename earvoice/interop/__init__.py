"""Our models inside other tools, and other tools' systems inside our simulation.

    simuleval_agent        a model as a SimulEval agent: `simuleval --agent FILE --model M`
    simulstream_processor  a model as a simulstream speech processor: `type:` of its YAML
    agents, processors     the reverse: any SimulEval agent, any simulstream processor, as an
                           `Interpreter`

The modules that need another tool import it; it has to be installed beside this package.
"""
