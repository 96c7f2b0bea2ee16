"""Numbers from what was recorded: pure functions on arrays.

Nothing here draws or prints, and only what takes a `NightView` or a `Trace` reads a file. Inputs
are plain arrays of one layer: spikes as events (step, neuron) int64 [events, 2]; counts int64
[neurons] or [windows, neurons]; mean awake activations [classes, neurons]; awake activations of
examples [examples, neurons] with labels; weights [post, pre] before and after a night. A step is a
millisecond unless a function says otherwise. What has no value (the correlation with a silent
layer, the variation of one interval) is NaN, or the label −1; arrays that do not belong together
raise InputError. Whatever is random takes a seed and repeats with it.

What comes out is an array, a number or a small frozen record of arrays.

===============  =======================================================================
rates            mean_rates, population_rate; bin_edges
raster           binned_raster
windows          regular_windows, random_windows → window_counts; counts_by_class
statistics       intervals → coefficient_of_variation, cv2, local_variation; fano_factor;
                 interval_histogram
correlation      correlate; class_correlations → correlation_change (within, between classes)
selectivity      class_means, class_specific, preferred_class, membership; top_reactivation
replay           replay_scores (night or windows: r, z, p, q), normalised, by example
decoders         centroid_decoder, logistic_decoder → Decoder; held_out_accuracy
decoding         decode: class, confidence and significance of each window
controls         shuffled_scores ("neurons" or "time"), upper_p, benjamini_hochberg
order            episodes, mean_dwell, transitions, order_test, trend (drift over the night)
sparseness       active_fraction, treves_rolls, hoyer; sparseness over neurons or examples
weights          weight_change, weight_histograms, synapse_sample, stable_rank, row_cosines
synapse_groups   group_change (old-task against new-task synapses)
trajectory       trajectory: PCA of snapshots of the weights; layer by layer from layer_products
landscape        along_line from awake to asleep weights; barrier
curvature        hessian_product, top_eigenvalue (Lanczos), on torch tensors
confusion        confusion_matrix, class_accuracies, flips (recovered, lost)
undefined        how NaN is made and passed over
fitting          checks that arrays belong together
night            night_view: one night of a trace as such arrays
night_summaries  rates_summary, replay_summary, sparseness_summary, weights_summary of a view
night_outputs    classes_summary, confusion_summary of a view
night_replay     order_summary, reactivation_summary, decode_summary of a view
night_weights    groups_summary of a view; trajectory_summary of a trace
membrane         membrane_potentials of a view, computed anew
===============  =======================================================================

What was replayed, and when::

    counts = window_counts(events, neurons, regular_windows(steps, 500))
    found = decode(centroid_decoder(class_specific(means)), counts, control="time")
    order = order_test(found.significant(), classes)
"""
