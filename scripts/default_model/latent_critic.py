"""A critic of latents: it learns to tell drawn ones from those that the text model makes, and so says what these lack.

As in adversarial distillation (Sauer et al. 2023, arXiv 2311.17042, and 2024, arXiv 2403.12015) it begins with features that
are there already, a classifier's, and sees everything noised, so that what pleases it is seen from afar. It sees cut-outs
at random places: with the whole latent its strides fall on the same sites always, and a grid of their period pleases it.
"""

import copy

import torch
from fact_classifier import CHANNELS, Block
from scene_facts import PROPERTIES
from torch import nn
from torch.nn import functional as F

STRIDE = 8  # latents a side of its coarsest sites: cut-outs begin anywhere in as many
NOISE = (0.1, 0.7)  # deviations on scaled latents
NEAR = 0.1  # deviation within which its scores shall not change: see Adversary.learn
REMEMBERED = 20  # batches of generated latents, with which it learns again


class LatentCritic(nn.Module):
    """Scaled latents (B, C, h, w) and what they shall show, (B, properties) as scene_facts.py counts it, to scores of the
    sites of every size: [(B, sites)], positive where they look drawn. A score adds how drawn a site looks and how well it
    suits what is named (a projection, Miyato and Koyama 2018, arXiv 1802.05637)."""

    def __init__(self, classifier):
        super().__init__()
        self.body = copy.deepcopy(classifier.body[:-2]).requires_grad_(True)  # without the last norm and activation
        self.norms = nn.ModuleList([nn.GroupNorm(8, channels) for channels in CHANNELS])
        self.heads = nn.ModuleList([nn.Conv2d(channels, 1, 1) for channels in CHANNELS])
        tables = [[nn.Embedding(len(values), channels) for values in PROPERTIES.values()] for channels in CHANNELS]
        self.named = nn.ModuleList([nn.ModuleList(of_a_size) for of_a_size in tables])
        for parameter in self.named.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x, classes):
        scores = []
        for layer in self.body:
            x = layer(x)
            if isinstance(layer, Block):
                size = len(scores)
                features = F.relu(self.norms[size](x))
                named = sum(table(classes[:, i]) for i, table in enumerate(self.named[size]))
                suits = (features * named[:, :, None, None]).sum(1, keepdim=True) / x.shape[1] ** 0.5
                scores.append((self.heads[size](features) + suits).flatten(1))
        return scores


def cut(*latents):
    """The same cut-out of all of them, STRIDE smaller."""
    top, left = torch.randint(0, STRIDE + 1, (2,)).tolist()
    height, width = (side - STRIDE for side in latents[0].shape[2:])
    return [latent[:, :, top : top + height, left : left + width] for latent in latents]


def noised(latent, lowest, highest):
    """With noise, of each of them with a deviation of its own between these."""
    deviation = lowest + (highest - lowest) * torch.rand(len(latent), 1, 1, 1, device=latent.device)
    return latent + deviation * torch.randn_like(latent)


def mean_loss(scores, wanted):
    """Logistic loss of scores that shall be positive (`wanted` 1) or negative (-1); all sizes count alike."""
    return torch.stack([F.softplus(-wanted * of_a_size).mean() for of_a_size in scores]).mean()


class Adversary:
    """A critic and its learning, beside the model that it criticizes."""

    def __init__(self, classifier, learning_rate=2e-3):
        self.critic = LatentCritic(classifier).to(next(classifier.parameters()).device)
        self.optimizer = torch.optim.AdamW(self.critic.parameters(), lr=learning_rate, betas=(0.5, 0.99), weight_decay=1e-4)
        self.remembered = []  # (drawn, generated, classes)
        self.error = next(classifier.parameters()).new_zeros(())  # of its last step: ln 2 where it knows nothing

    def loss(self, latent, classes):
        """What is to be lessened to look drawn; the gradient goes to the latents alone."""
        self.critic.requires_grad_(False)
        loss = mean_loss(self.critic(*cut(noised(latent, *NOISE)), classes), 1)
        self.critic.requires_grad_(True)
        return loss

    def meet(self, drawn, generated, classes, steps):
        """Remembers latents of the same captions, and takes a step with them and others with what it remembers."""
        self.remembered = [*self.remembered, (drawn, generated.detach(), classes)][-REMEMBERED:]
        for step in range(steps):
            chosen = len(self.remembered) - 1 if step == 0 else torch.randint(len(self.remembered), ()).item()
            self.learn(*self.remembered[chosen])

    def learn(self, drawn, generated, classes):
        """Scores shall not change within NEAR: an approximation of the penalties on the critic's gradients at drawn and at
        generated samples that makes such trainings converge (Lin et al. 2025, arXiv 2501.08316)."""
        drawn, generated = (noised(latent, *NOISE) for latent in cut(drawn, generated))
        seen = torch.cat([drawn, generated])
        near = seen + NEAR * torch.randn_like(seen)
        pairs = [scores.chunk(2) for scores in self.critic(torch.cat([seen, near]), classes.repeat(4, 1))]
        of_drawn, of_generated = zip(*(scores.chunk(2) for scores, _ in pairs), strict=True)
        smooth = torch.stack([(scores - others).square().mean() for scores, others in pairs]).mean()
        errors = mean_loss(of_drawn, 1) + mean_loss(of_generated, -1)
        self.error = errors.detach() / 2
        loss = errors + 2 * smooth
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def state_dict(self):
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])
