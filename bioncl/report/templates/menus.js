// Menus: [data-menu-of=NAME] shows the blocks [data-menu=NAME] whose data-choice is picked, or all.
// Without scripts every block is shown and the menus are not.
(function () {
  "use strict";
  function apply(select) {
    for (const block of document.querySelectorAll("[data-menu]")) {
      if (block.dataset.menu === select.dataset.menuOf) {
        block.hidden = select.value !== "" && block.dataset.choice !== select.value;
      }
    }
  }
  for (const select of document.querySelectorAll("[data-menu-of]")) {
    select.addEventListener("change", () => apply(select));
    apply(select);
  }
  for (const bar of document.querySelectorAll("nav.menus")) {
    bar.hidden = false;
  }
})();
