#!/usr/bin/env python3
"""Makes sequences.safetensors, the golden file of test_train_golden_sequences.c, with PyTorch, in this folder.

Small networks on sequences; a case named "lstm" has lstm/x (tokens or numbers, batch first), lstm/y (labels,
-100: ignored), lstm/lengths where the sequences differ, lstm/before/NAME (its state_dict), lstm/loss, lstm/out
(the outputs) and lstm/grad/NAME. Computed in double, stored in single precision, as in make_golden.py.
"""
import torch
from torch import nn

from make_golden import FOLDER, save

BATCH, STEPS, TOKENS, WIDTH, HIDDEN, IGNORED = 4, 6, 11, 5, 7, -100


class Net(nn.Module):
    def __init__(self, head=None, rnn=None, last=False, outputs=TOKENS, features=None):
        super().__init__()
        if head:
            self.embedding = head
        if rnn:
            self.rnn = rnn
        self.last = last
        self.linear = nn.Linear(features, outputs)

    def forward(self, x, lengths=None):
        if hasattr(self, "embedding"):
            x = self.embedding(x.long())
        if not hasattr(self, "rnn"):
            return self.linear(x)
        if lengths is not None:
            x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, state = self.rnn(x)
        if lengths is not None:
            y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=STEPS)
        if self.last:
            h = state[0] if isinstance(state, tuple) else state
            directions = 2 if self.rnn.bidirectional else 1
            y = torch.cat(list(h[-directions:]), dim=1)
        return self.linear(y)


class OneHot(nn.Module):
    def forward(self, x):
        return nn.functional.one_hot(x, TOKENS).double()


def recurrent(kind, directions=2, layers=2, **options):
    return kind(WIDTH, HIDDEN, layers, batch_first=True, bidirectional=directions == 2, **options)


def cases():
    tokens = lambda: torch.randint(0, TOKENS, (BATCH, STEPS)).float()
    numbers = lambda: torch.randn(BATCH, STEPS, WIDTH)
    labels = torch.randint(0, TOKENS, (BATCH, STEPS))
    labels[0, 4:] = labels[2, 0] = IGNORED
    yield "embedding", Net(nn.Embedding(TOKENS, WIDTH), features=WIDTH), tokens(), labels, None
    yield "one_hot", Net(OneHot(), features=TOKENS), tokens(), labels, None
    kinds = {
        "rnn_tanh": lambda **o: recurrent(nn.RNN, **o),
        "rnn_relu": lambda **o: recurrent(nn.RNN, nonlinearity="relu", **o),
        "lstm": lambda **o: recurrent(nn.LSTM, **o),
        "gru": lambda **o: recurrent(nn.GRU, **o),
    }
    lengths = torch.tensor([4, 6, 1, 3])
    ended = labels.clone()
    for i, length in enumerate(lengths):
        ended[i, length:] = IGNORED
    for name, make in kinds.items():
        yield name, Net(rnn=make(), features=2 * HIDDEN), numbers(), labels, None
        yield name + "_one_way", Net(rnn=make(directions=1), features=HIDDEN), numbers(), labels, None
        yield name + "_lengths", Net(rnn=make(), features=2 * HIDDEN), numbers(), ended, lengths
        yield name + "_last", Net(rnn=make(), last=True, features=2 * HIDDEN), numbers(), labels[:, 1], lengths
    yield "no_bias", Net(rnn=recurrent(nn.GRU, bias=False), features=2 * HIDDEN), numbers(), labels, None
    yield "charlstm", Net(
        nn.Embedding(TOKENS, WIDTH), recurrent(nn.LSTM, directions=1), features=HIDDEN
    ), tokens(), labels, None


def main():
    torch.manual_seed(29)
    out = {}
    for name, net, x, labels, lengths in cases():
        for key, value in net.state_dict().items():
            out[f"{name}/before/{key}"] = value.clone()
        net = net.double()
        y = net(x.double(), lengths)
        loss = nn.functional.cross_entropy(y.reshape(-1, TOKENS), labels.reshape(-1), ignore_index=IGNORED)
        loss.backward()
        out[f"{name}/x"], out[f"{name}/y"] = x, labels.double()
        if lengths is not None:
            out[f"{name}/lengths"] = lengths.double()
        out[f"{name}/out"], out[f"{name}/loss"] = y, loss.reshape(1)
        for key, parameter in net.named_parameters():
            out[f"{name}/grad/{key}"] = parameter.grad
    save(FOLDER / "sequences.safetensors", out)


if __name__ == "__main__":
    main()
