"""Networks that learn: the backbone contract, architectures, heads and checkpoints."""

from bioncl.registry import Registry

MODELS = Registry(
    "model",
    {
        "mlp": ("bioncl.models.mlp:MLP", "multi-layer perceptron with ReLU"),
        "convnet": ("bioncl.models.convnet:ConvNet", "LeNet-like convolutions, then linear layers"),
        "resnet": ("bioncl.models.resnet:ResNet", "residual network with pre-activation"),
    },
)
