"""Chinese for the formulas (`formulas`), by their English: parts and slots as in `Template`."""

from __future__ import annotations

import re

from earvoice.data.synth.grammar.chinese_adverbials import MONTHS

_TEMPLATES = {
    "How much does|{0}|cost": "{0} 3:多少 钱",
    "{0}|costs only|{1}": "{0} 2:只要 {1}",
    "We paid|{1}|for|{0}": "1:我们 买 {0} 1:付 了 {1}",
    "{0}|costs|{1}": "{0} 2:要 {1}",
    "{0}|is|{1}|in|{2}": "{0} 2:是 {2} {1}",
    "{0:N}|knows|{1}|in|{2}": "{0} 2:知道 {2} {1}",
    "There is|{0}|in|{1}": "{1} 1:有 {0}",
    "There are|{0}|in|{1}": "{1} 1:有 {0}",
    "There is|{0}|near|{1}": "{1} 3:附近 1:有 {0}",
    "There are|{0}|near|{1}": "{1} 3:附近 1:有 {0}",
    "{0:N}|has|{1}": "{0} 2:有 {1}",
    "{0}|has|{1}": "{0} 2:有 {1}",
    "More than|{0}|visit|{1}|every year": "5:每年 1:有 超过 {0} 3:参观 {1}",
    "Today I would like to|talk about|{0}": "1:今天 我 想 2:谈谈 {0}",
    "Welcome to|{0}|about|{1}": "1:欢迎 参加 {0} , 1:主题 是 {1}",
    "Good morning, my name is|{0}|and I come from|{1}": "1:早上 好 , 我 叫 {0} , 3:来自 {1}",
    "In this talk, we will|present|{0}": "1:在 这次 演讲 中 , 我们 会 2:介绍 {0}",
    "Good evening, and welcome to|{0}": "1:晚上 好 , 欢迎 来到 {0}",
    "Our topic today is|{0}": "1:我们 今天 的 主题 是 {0}",
    "Thank you for your|questions|about|{0}": "1:感谢 您 关于 {0} 2:的 问题",
    "We look forward to seeing you|in|{0}|in": "1:我们 期待 4:MONTH 2:在 {0} 1:见到 您",
    "Our guest today is|{0}": "1:我们 今天 的 客人 是 {0}",
    "Our guests today are|{0}|and|{1}": "1:我们 今天 的 客人 是 {0} 3:和 {1}",
    "This is|{0}|from|{1}": "1:这 是 3:来自 {1} 3:的 {0}",
    "I would like to introduce|{0}|and|{1}": "1:我 想 介绍 {0} 3:和 {1}",
    "{0}|is called|{1}|for short": "{0} 2:简称 {1}",
    "That was everything about|{0}": "1:关于 {0} 1:的 内容 就 是 这些",
}


def template(english: str) -> str:
    """The Chinese of a formula. Raises KeyError for one that the grammar does not have."""
    match = re.fullmatch(r"(.*\|in) (\w+)", english)
    if match and match[2] in MONTHS:
        return _TEMPLATES[match[1]].replace("MONTH", MONTHS[match[2]])
    return _TEMPLATES[english]
