"""The view: the data of the screens, written by the presenter and read by the screens only.

Pure; may import micropython.const. Controls: H-09 (no decision reads the view, so that the display
can change without changing the behaviour).
"""

from micropython import const

# READY's fields in the order in which SELECT goes through them
FIELD_DEPTH = const(0)
FIELD_APPLICATOR = const(1)
FIELD_PROFILE = const(2)
FIELD_CYCLES = const(3)
FIELD_PATIENT = const(4)

NO_NOTICE = const(-2)  # -1 is what a screen has not drawn yet
NOT_CALIBRATED = const(-3)
REACH = const(-4)


class View:
    """The data of the screens. Integers in the unit of their names; texts as strings."""

    def __init__(self):
        self.version = ""
        self.depth_um = 0
        self.dose_ms = 0  # negative: the depth is outside the applicator's table
        self.applicator = ""
        # The depths that 19 of 20 freezes of this plan reach; without a dose, the table's range
        self.range_text = ""
        # On READY's top line, in place of nitrogen and "hold ARM": treatments that the journal has
        # room for, or one of the above
        self.notice = NO_NOTICE
        self.calibrated = True  # the applicator's table was calibrated on this device
        self.hint = ""  # why arming is inhibited; "" = permitted
        self.field = FIELD_DEPTH
        self.profile_name = ""
        self.cycles = 1  # freezes of this treatment
        self.cycle = 1  # the present one
        self.margin_um = 0
        self.plan_um = 0  # lesion depth + margin
        self.spread_um = 0  # 1 sigma of the depth of this dose; 0: it is not about the plan
        self.patient_ref = 0  # 0 = none
        self.operator = 0  # who is signed in; 0 = nobody
        self.shots_left = -1  # freezes of this dose left in the dewar; -1 = unknown
        self.observe_ms = -1  # remaining observation time; -1 = none
        self.remaining_ms = 0
        self.planned_ms = 0
        self.delivered_ms = 0
        self.complete = False
        self.interruptions = 0
        self.nozzle_min_c_x100 = 0
        self.timeout_s = 0
        self.estimate_um = -1  # -1 = no estimate
        self.target_um = 0  # the depth that ends the freeze; 0 = time ends it
        # Complete, but short of the lesion's base by the estimate (1), or perhaps by its spread (2)
        self.short = 0
        self.deep = False  # deeper than the safe depth of the site by the estimate
        self.doubt = 0  # the estimate is not to be believed: 1 = not on the skin? 2 = unknown
        self.witnessed = False  # FREEZING may have to say so
        self.patches = [None] * 4  # two lines for each, drawn before the valve opens
        self.ice_ms = -1  # since the ice field was marked; -1 = not marked
        self.nozzle_c_x100 = 0
        self.cold = False  # the nozzle is at liquid temperature
        self.purge_ms = 0  # since it began
        self.pedal = False  # TRIGGER is a pedal in PRESS mode
        self.pressed = False  # TRIGGER is down
        self.thaw_ms = 0
        self.thaw_min_ms = 0
        self.closing_text = ""  # the valve of the purge is not yet proved closed
        self.rewarmed = False  # the line has warmed in ARMED: ARM asks for another purge
        self.thawed = False  # the thaw is over: ARM goes on
        self.skin_c_x100 = 0
        self.skin_valid = False
        self.page = 1  # of `pages` of the screening
        self.pages = 1  # 0 = none is shown
        self.item = -1  # the chosen line; -1 = none
        self.marked = 0  # bits of the lines that a physician has overridden
        self.items = 0  # number of lines in `item_words`
        self.item_words = [""] * 3
        self.item_values = [""] * 3  # shown right of them
        self.title = ""
        self.lines = [""] * 3
        self.confirm_key = ""
        self.confirm_old = ""  # "" = none
        self.confirm_new = ""
        self.confirm_unit = ""
