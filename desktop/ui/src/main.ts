import { mount } from 'svelte';
import Root from './Root.svelte';
import { keepComposed } from './lib/composed';
import { tauriBackend } from './lib/tauri-backend';
import './styles/tokens.css';
import './styles/base.css';

keepComposed(window);
const target = document.querySelector('#app');
if (target !== null) mount(Root, { target, props: { backend: tauriBackend } });
