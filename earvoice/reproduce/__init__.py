"""Papers' claims as experiments: data in a recipe, arms over seeds, a report with verdicts.

spec         what is tried, with the paper's own numbers: recipes/reproduce/*.yaml
tasks        one folder per piece of work: done or not, what it cost, who is at it
shared       the tasks of trained arms and of their starts
corpora      which folder serves which direction
trained      starts and arms that train a model and measure it
recomputed   a live model without its memory (encoder, language model, both)
streams      models on spans of talks, computing counted
verdicts     does it show? from means and intervals over seeds
report       results.json, a table beside the paper's, a picture
"""
