// Before anything is drawn: dark where the visitor's system is, as the rest of the Studio.
(() => {
  const wish = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => document.documentElement.classList.toggle('dark', wish.matches);
  wish.addEventListener('change', follow);
  follow();
})();
