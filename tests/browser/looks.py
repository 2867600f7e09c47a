"""The ways a student may look at the panel."""

import dataclasses
import itertools

SCREENS = {
    "phone": {
        "viewport": {"width": 360, "height": 740}, "device_scale_factor": 2,
        "is_mobile": True, "has_touch": True,
    },
    "desktop": {"viewport": {"width": 1280, "height": 900}},
}


@dataclasses.dataclass(frozen=True)
class Look:
    device: str = "desktop"
    language: str = "fr"
    scheme: str = "light"
    script: bool = True

    @property
    def screen(self):
        return SCREENS[self.device]

    def __str__(self):
        return "-".join([self.device, self.language, self.scheme, "js" if self.script else "plain"])


ALL = [Look(*choice) for choice in
       itertools.product(SCREENS, ("fr", "en"), ("light", "dark"), (True, False))]
